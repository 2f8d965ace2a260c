{{/*
The wall around the operator: whatever its code does, or whoever holds its token, it writes only what a Mastodon server consists
of, where one lives. RBAC (access.yaml) says which kinds and verbs; these policies say which objects. They hold on their own too: with
the role of an administrator nothing that they refuse would be possible (tests/it/operator/rights.rs tries).
*/}}

{{- define "paddock.operatorUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "paddock.name" (dict "root" . "part" "operator") }}
{{- end }}

{{/* Metadata of a policy and of its binding; takes (dict "root" $ "about" "pods"). */}}
{{- define "paddock.wallMetadata" -}}
name: {{ include "paddock.name" (dict "root" .root "part" (printf "operator-%s" .about)) }}
labels: {{- include "paddock.labels" .root | nindent 2 }}
{{- end }}

{{- define "paddock.wallConditions" -}}
- name: by-the-operator
  expression: request.userInfo.username == '{{ include "paddock.operatorUser" . }}'
{{- end }}

{{/* Takes the same as wallMetadata; with "images" the binding hands over the list of images. */}}
{{- define "paddock.wallBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{- include "paddock.wallMetadata" . | nindent 2 }}
spec:
  policyName: {{ include "paddock.name" (dict "root" .root "part" (printf "operator-%s" .about)) }}
  validationActions: [Deny]
  {{- if .images }}
  paramRef:
    name: {{ include "paddock.imagesName" .root }}
    namespace: {{ .root.Release.Namespace }}
    # Without the list nothing may run.
    parameterNotFoundAction: Deny
  {{- end }}
{{- end }}

{{/* resource::IMAGES_NAME in the code: the fleet adds to it. */}}
{{- define "paddock.imagesName" -}}
paddock-images
{{- end }}

{{/* resource::namespace_name in the code: `mastodon-` and the id's 26 digits of Crockford's base 32. */}}
{{- define "paddock.namespacePattern" -}}
^mastodon-[0-7][0-9a-hjkmnp-tv-z]{25}$
{{- end }}

{{/* resource::resource_name in the code. */}}
{{- define "paddock.instancePattern" -}}
^ins-[0-7][0-9a-hjkmnp-tv-z]{25}$
{{- end }}

{{/* The Secrets that the operator writes: operator::instance::build::names::SECRETS in the code, which a test compares. */}}
{{- define "paddock.secrets" -}}
['cache-password', 'mastodon-backup', 'mastodon-identity', 'mastodon-mail', 'mastodon-media']
{{- end }}

{{/* internet::NOT_THE_INTERNET_V4 and _V6 in the code, which a test compares. */}}
{{- define "paddock.notTheInternetV4" -}}
['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3']
{{- end }}

{{- define "paddock.notTheInternetV6" -}}
['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']
{{- end }}

{{/* The Secrets into which cert-manager puts what is signed: operator::instance::address::Use::tls_secret in the code, which a test compares. */}}
{{- define "paddock.certificateSecrets" -}}
['handles-tls', 'media-tls', 'web-tls']
{{- end }}
