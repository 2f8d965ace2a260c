{{/* Labels of every object. */}}
{{- define "paddock.labels" -}}
app.kubernetes.io/name: paddock
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Labels that choose the pods of one part; takes (dict "root" $ "part" "web"). */}}
{{- define "paddock.selector" -}}
app.kubernetes.io/name: paddock
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{/* Name of an object of one part; takes the same. */}}
{{- define "paddock.name" -}}
{{ printf "%s-%s" (trunc 50 .root.Release.Name | trimSuffix "-") .part }}
{{- end }}

{{- define "paddock.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- define "paddock.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "paddock.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "paddock.catalogueName" -}}
{{ include "paddock.name" (dict "root" . "part" "catalogue") }}
{{- end }}

{{/* The parts that run all the time, one Deployment, service account and NetworkPolicy each. */}}
{{- define "paddock.parts" -}}
web worker fleet operator
{{- end }}

{{/* Those of them that speak to the API server: no other gets a token. */}}
{{- define "paddock.partsWithToken" -}}
fleet operator
{{- end }}
