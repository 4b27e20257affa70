{{- define "operator.name" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "operator.selector" -}}
app.kubernetes.io/name: kuberay-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
