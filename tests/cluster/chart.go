package main

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

// chartArguments reads `DIR [--values FILE] [--namespace NAME]`.
func chartArguments(name string, args []string) (dir string, values map[string]any, namespace string, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	file := flags.String("values", "", "file with values")
	ns := flags.String("namespace", "paddock", "namespace of the release")
	if len(args) == 0 {
		return "", nil, "", fmt.Errorf("%s: the chart's folder is missing", name)
	}
	if err = flags.Parse(args[1:]); err != nil {
		return "", nil, "", err
	}
	values = map[string]any{}
	if *file != "" {
		if values, err = chartutil.ReadValuesFile(*file); err != nil {
			return "", nil, "", err
		}
	}
	return args[0], values, *ns, nil
}

// lintChart runs helm's own linter; warnings fail too.
func lintChart(args []string) error {
	dir, values, namespace, err := chartArguments("lint-chart", args)
	if err != nil {
		return err
	}
	result := lint.All(dir, values, namespace, true)
	for _, message := range result.Messages {
		if message.Severity > support.InfoSev {
			fmt.Println(message)
		}
	}
	if result.HighestSeverity > support.InfoSev {
		return fmt.Errorf("%s does not lint", dir)
	}
	return nil
}

// renderChart prints the manifests as `helm template` would, CRDs first.
func renderChart(args []string) error {
	dir, values, namespace, err := chartArguments("render-chart", args)
	if err != nil {
		return err
	}
	chart, err := loader.Load(dir)
	if err != nil {
		return err
	}
	release := chartutil.ReleaseOptions{Name: "paddock", Namespace: namespace, IsInstall: true, Revision: 1}
	rendered, err := chartutil.ToRenderValues(chart, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, rendered)
	if err != nil {
		return err
	}
	for _, crd := range chart.CRDObjects() {
		fmt.Printf("---\n%s\n", crd.File.Data)
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if strings.HasSuffix(name, ".yaml") && strings.TrimSpace(files[name]) != "" {
			fmt.Fprintf(os.Stdout, "---\n# Source: %s\n%s\n", name, files[name])
		}
	}
	return nil
}
