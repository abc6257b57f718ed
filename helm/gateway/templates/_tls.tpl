{{/* Whether a service accepts associations over TLS or calls stations by it: true, or nothing. Called with (list . service). */}}
{{- define "gateway.speaksTls" -}}
{{- $root := first . -}}
{{- if $root.Values.dicom.tls.existingSecret -}}
{{- if eq $root.Values.profile "xeleris" -}}
{{- fail "dicom.tls.existingSecret: profile xeleris has no TLS (R131): leave it empty" -}}
{{- end -}}
{{- if eq (int $root.Values.dicom.tls.port) (int $root.Values.dicom.port) -}}
{{- fail "dicom.tls.port: it is dicom.port, where there is no TLS: choose another one for either" -}}
{{- end -}}
{{- if has (last .) (list "ingest" "query" "forwarder" "commitment" "admin") }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* Its settings, as YAML. */}}
{{- define "gateway.tlsSettings" -}}
GATEWAY_TLS_CERTIFICATE: /etc/gateway/tls/tls.crt
GATEWAY_TLS_KEY: /etc/gateway/tls/tls.key
GATEWAY_TLS_AUTHORITIES: /etc/gateway/tls/ca.crt
GATEWAY_TLS_PORT: "2762"
{{- end -}}

{{/* The whole Secret is mounted: single files of it would stay as they were when it is renewed. */}}
{{- define "gateway.tlsMount" -}}
- {name: tls, mountPath: /etc/gateway/tls, readOnly: true}
{{- end -}}

{{- define "gateway.tlsVolume" -}}
- name: tls
  secret: {secretName: {{ .Values.dicom.tls.existingSecret }}, defaultMode: 288} # 0440
{{- end -}}
