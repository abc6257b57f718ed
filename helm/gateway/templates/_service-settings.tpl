{{/* The settings of one service's pods, as YAML. Called with (list . service values-of-the-service). */}}
{{- define "gateway.serviceSettings" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- $most := int (default (index . 2).replicas (index . 2).autoscaling.maxReplicas) -}}
GATEWAY_HTTP_HOST: 0.0.0.0
GATEWAY_HTTP_PORT: "8080" # the desk's, which the Ingress leads to
GATEWAY_HEALTH_PORT: "8081"
{{- if has $service (list "ingest" "query") }}
GATEWAY_DICOM_HOST: 0.0.0.0
GATEWAY_DICOM_PORT: "11112"
{{- if ne $root.Values.profile "xeleris" }}
GATEWAY_INCOMING_ASSOCIATIONS: {{ max 1 (div $root.Values.dicom.associations (max 1 $most)) | quote }}
{{- end }}
{{- end }}
{{- if include "gateway.speaksTls" (list $root $service) }}
{{ include "gateway.tlsSettings" $root }}
{{- end }}
{{- if eq $service "admin" }}
GATEWAY_ADMIN_IMPORT_AT: "{{ include "gateway.fullname" $root }}-dicom:{{ $root.Values.dicom.port }}"
GATEWAY_ADMIN_MAX_IMPORT_BYTES: "536870912"
{{- if $root.Values.backup.enabled }}
GATEWAY_ADMIN_BACKUP_EXPECTED: "true"
{{- end }}
{{- with $root.Values.configuration.stations }}
GATEWAY_ADMIN_STATIONS_IN_FILES: "true"
{{- end }}
{{- with $root.Values.configuration.rules }}
GATEWAY_ADMIN_RULES_IN_FILES: "true"
{{- end }}
{{- if $root.Values.desk.ingress.enabled }}
FORWARDED_ALLOW_IPS: {{ $root.Values.desk.ingress.proxies | quote }}
{{- end }}
{{- end }}
{{- end -}}
