{{/* Settings without secrets, as YAML. `settings` of the values is stronger. */}}
{{- define "gateway.settings" -}}
GATEWAY_HOME: /var/lib/gateway
GATEWAY_PROFILE: {{ .Values.profile | quote }}
GATEWAY_VARIANT: {{ .Values.variant | quote }}
{{- with .Values.aet }}
GATEWAY_AET: {{ . | quote }}
{{- end }}
GATEWAY_LOG_LEVEL: {{ .Values.logLevel | quote }}
{{- if .Values.traces.endpoint }}
GATEWAY_TRACES_ENDPOINT: {{ .Values.traces.endpoint | quote }}
GATEWAY_TRACES_SAMPLE_RATIO: {{ .Values.traces.sampleRatio | quote }}
{{- end }}
GATEWAY_DRAIN_SECONDS: {{ .Values.drainSeconds | quote }}
GATEWAY_OBJECTS_URL: {{ include "gateway.objectsUrl" . | quote }}
{{- if not (include "gateway.objectsClaim" .) }}
GATEWAY_S3_REGION: {{ .Values.objects.s3.region | quote }}
{{- with .Values.objects.s3.endpoint }}
GATEWAY_S3_ENDPOINT: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* One variable a setting: a list of the chart's (YAML) and the values' own. Called with (list . more role): the role by
     which PostgreSQL and RabbitMQ know the container, "" for who may everything. */}}
{{- define "gateway.environment" -}}
{{- $root := first . -}}
{{- $own := fromYaml (include "gateway.settings" $root) -}}
{{- $more := fromYaml (index . 1) -}}
{{- range $name, $value := merge (dict) $root.Values.settings $more $own }}
- {name: {{ $name }}, value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}}
{{- end }}
- name: GATEWAY_DATABASE_URL
  valueFrom: {secretKeyRef: {{ include "gateway.databaseSecret" (list $root (last .)) }}}
- name: GATEWAY_AMQP_URL
  valueFrom: {secretKeyRef: {{ include "gateway.brokerSecret" (list $root (last .)) }}}
{{- if not (include "gateway.objectsClaim" $root) }}
- name: GATEWAY_S3_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ $root.Values.objects.s3.existingSecret }}, key: access-key-id}}
- name: GATEWAY_S3_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $root.Values.objects.s3.existingSecret }}, key: secret-access-key}}
{{- end }}
{{- end -}}

{{- define "gateway.settingsSecrets" -}}
{{- range .Values.settingsSecrets }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end -}}

{{/* The Secret and key with the address of PostgreSQL for a role. CloudNativePG makes CLUSTER-app. */}}
{{- define "gateway.databaseSecret" -}}
{{- $role := last . -}}
{{- with first . -}}
{{- $own := get .Values.database.services $role -}}
{{- if $own -}}
{name: {{ $own.existingSecret }}, key: {{ $own.key }}}
{{- else if .Values.demo.enabled -}}
{name: {{ include "gateway.fullname" . }}-demo, key: database-url}
{{- else if .Values.database.cluster.enabled -}}
{name: {{ include "gateway.fullname" . }}-postgresql-app, key: uri}
{{- else -}}
{name: {{ .Values.database.existingSecret }}, key: {{ .Values.database.key }}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What "gateway roles" needs of the logins. */}}
{{- define "gateway.databaseLogins" -}}
{{- range $role, $secret := .Values.database.services }}
- name: GATEWAY_{{ upper $role }}_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret.existingSecret }}, key: {{ $secret.key }}}}
{{- end }}
{{- end -}}

{{/* … and of RabbitMQ. Its operator makes CLUSTER-default-user. */}}
{{- define "gateway.brokerSecret" -}}
{{- $role := last . -}}
{{- with first . -}}
{{- $own := get .Values.broker.services $role -}}
{{- if $own -}}
{name: {{ $own.existingSecret }}, key: {{ $own.key }}}
{{- else if .Values.demo.enabled -}}
{name: {{ include "gateway.fullname" . }}-demo, key: broker-url}
{{- else if .Values.broker.cluster.enabled -}}
{name: {{ include "gateway.fullname" . }}-rabbitmq-default-user, key: connection_string}
{{- else -}}
{name: {{ .Values.broker.existingSecret }}, key: {{ .Values.broker.key }}}
{{- end -}}
{{- end -}}
{{- end -}}
