{{- define "gateway.objectsUrl" -}}
{{- if .Values.demo.enabled }}file:///objects{{ else }}{{ .Values.objects.url }}{{ end -}}
{{- end -}}

{{/* The claim with the objects; nothing if they are on S3. */}}
{{- define "gateway.objectsClaim" -}}
{{- if hasPrefix "file://" (include "gateway.objectsUrl" .) -}}
{{- $folder := include "gateway.objectsUrl" . | trimPrefix "file://" | trimSuffix "/" -}}
{{- range list "/tmp" "/var/lib/gateway" "/etc/gateway" "/backups" -}}
{{- if or (eq $folder .) (hasPrefix (print . "/") $folder) -}}
{{- fail (printf "objects.url: %s is a folder of the pods themselves: take another one, such as file:///objects" .) -}}
{{- end -}}
{{- end -}}
{{- if .Values.objects.existingClaim -}}
{{- .Values.objects.existingClaim -}}
{{- else if or .Values.objects.claim.create .Values.demo.enabled -}}
{{- include "gateway.fullname" . }}-objects
{{- else -}}
{{- fail "objects.url names a file system: set objects.existingClaim to a ReadWriteMany claim, or objects.claim.create, or use s3://" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gateway.objectsMount" -}}
{{- if include "gateway.objectsClaim" . -}}
- {name: objects, mountPath: {{ include "gateway.objectsUrl" . | trimPrefix "file://" }}}
{{- end -}}
{{- end -}}

{{- define "gateway.objectsVolume" -}}
{{- with include "gateway.objectsClaim" . -}}
- name: objects
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end -}}
{{- end -}}
