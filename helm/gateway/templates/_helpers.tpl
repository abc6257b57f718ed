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
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* Pod security of every container. */}}
{{- define "gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "gateway.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Environment that every process of the gateway reads. */}}
{{- define "gateway.environment" -}}
- {name: GATEWAY_HOME, value: /var/lib/gateway}
- {name: GATEWAY_PROFILE, value: {{ .Values.profile | quote }}}
- {name: GATEWAY_VARIANT, value: {{ .Values.variant | quote }}}
{{- with .Values.aet }}
- {name: GATEWAY_AET, value: {{ . | quote }}}
{{- end }}
- {name: GATEWAY_LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
- {name: GATEWAY_DRAIN_SECONDS, value: {{ .Values.drainSeconds | quote }}}
- {name: GATEWAY_OBJECTS_URL, value: {{ .Values.objects.url | quote }}}
- name: GATEWAY_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: {{ .Values.database.key }}}}
- name: GATEWAY_AMQP_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.broker.existingSecret }}, key: {{ .Values.broker.key }}}}
{{- if hasPrefix "s3://" .Values.objects.url }}
{{- with .Values.objects.s3.endpoint }}
- {name: GATEWAY_S3_ENDPOINT, value: {{ . | quote }}}
{{- end }}
- {name: GATEWAY_S3_REGION, value: {{ .Values.objects.s3.region | quote }}}
- name: GATEWAY_S3_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ .Values.objects.s3.existingSecret }}, key: access-key-id}}
- name: GATEWAY_S3_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ .Values.objects.s3.existingSecret }}, key: secret-access-key}}
{{- end }}
{{- end -}}
