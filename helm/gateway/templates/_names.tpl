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

{{/* Whether PostgreSQL or RabbitMQ come with the release and are not there before it: the Secrets that tell of them are
     made with them, at an install or at the upgrade that first asks for them. Without a cluster to ask, as in Argo CD, they
     are taken for missing. */}}
{{- define "gateway.awaitsServers" -}}
{{- $made := list -}}
{{- if .Values.demo.enabled }}{{ $made = list "demo" -}}
{{- else -}}
{{- if .Values.database.cluster.enabled }}{{ $made = append $made "postgresql-app" }}{{ end -}}
{{- if .Values.broker.cluster.enabled }}{{ $made = append $made "rabbitmq-default-user" }}{{ end -}}
{{- end -}}
{{- $name := include "gateway.fullname" . -}}
{{- $missing := false -}}
{{- range $made }}{{ if not (lookup "v1" "Secret" $.Release.Namespace (printf "%s-%s" $name .)) }}{{ $missing = true }}{{ end }}{{ end -}}
{{- if $missing }}true{{ end -}}
{{- end -}}
