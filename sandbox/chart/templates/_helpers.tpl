{{- define "operator.name" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "operator.selector" -}}
app.kubernetes.io/name: kuberay-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Namespaces separated by commas; empty: all. */ -}}
{{- define "operator.watched" -}}
{{- if .Values.watchNamespace -}}
{{ join "," .Values.watchNamespace }}
{{- else if .Values.singleNamespaceInstall -}}
{{ .Release.Namespace }}
{{- end -}}
{{- end -}}
