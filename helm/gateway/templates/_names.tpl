{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "gateway.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gateway.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gateway.image" -}}
{{- if not .Values.image.repository -}}
{{- fail "image.repository: name the image that you built from deploy/docker/Dockerfile and pushed to your registry" -}}
{{- end -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* Our AE title, as the processes choose it. */}}
{{- define "gateway.aet" -}}
{{- default (ternary "XELERIS" "GATEWAY" (eq .Values.profile "xeleris")) .Values.aet -}}
{{- end -}}

{{/* The services that have pods, as JSON. */}}
{{- define "gateway.services" -}}
{{- $services := .Values.services -}}
{{- if .Values.dicom.together -}}
{{- $services = omit $services "query" -}}
{{- else if eq .Values.profile "xeleris" -}}
{{- fail "dicom.together: profile xeleris is one AE on one port (R10) with one limit of associations (R27): set true" -}}
{{- end -}}
{{- toJson $services -}}
{{- end -}}

{{/* Whether PostgreSQL or RabbitMQ come with the release, and so are not there before it. */}}
{{- define "gateway.bringsServers" -}}
{{- if or .Values.demo.enabled .Values.database.cluster.enabled .Values.broker.cluster.enabled }}true{{ end -}}
{{- end -}}
