{{/* Called with (list . value place). */}}
{{- define "gateway.refuseBackupPlace" -}}
{{- $place := last . -}}
{{- $folder := or (eq $place "/backups") (hasPrefix "/backups/" $place) -}}
{{- if not (or (hasPrefix "s3://" $place) (and (first .).Values.backup.existingClaim $folder)) -}}
{{- fail (printf "%s: name s3://bucket/prefix, or a folder below /backups of backup.existingClaim" (index . 1)) -}}
{{- end -}}
{{- end -}}

{{/* The template of a pod that reaches a place of backups beside everything else; a restore makes the schema, so the owner does it.
     Called with (list . name arguments place). */}}
{{- define "gateway.backupPod" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $settings := dict -}}
{{- $env := "" -}}
{{- if hasPrefix "s3://" (last .) -}}
{{- with $root.Values.backup.s3.endpoint }}{{ $settings = set $settings "GATEWAY_BACKUP_S3_ENDPOINT" . }}{{ end -}}
{{- with $root.Values.backup.s3.region }}{{ $settings = set $settings "GATEWAY_BACKUP_S3_REGION" . }}{{ end -}}
{{- with $root.Values.backup.s3.existingSecret }}{{ $env = include "gateway.backupKeys" . }}{{ end -}}
{{- end -}}
{{- $mounts := list (include "gateway.objectsMount" $root) -}}
{{- if $root.Values.backup.existingClaim }}{{ $mounts = append $mounts "- {name: backups, mountPath: /backups}" }}{{ end -}}
metadata:
  labels:
    {{- include "gateway.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $name }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "gateway.serviceAccount" $root }}
  {{- include "gateway.podCommon" $root | nindent 2 }}
  containers:
    -
      {{- include "gateway.command" (dict "root" $root "name" $name "role" (ternary "" "backup" (eq $name "restore")) "args" (index . 2) "settings" (toYaml $settings) "env" $env "resources" $root.Values.backup.resources "mounts" (join "\n" (compact $mounts))) | nindent 6 }}
  volumes:
    {{- include "gateway.scratch" (list $root $root.Values.backup.scratchSize) | nindent 4 }}
    {{- with include "gateway.objectsVolume" $root }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $root.Values.backup.existingClaim }}
    - name: backups
      persistentVolumeClaim: {claimName: {{ . }}}
    {{- end }}
{{- end -}}

{{- define "gateway.backupKeys" -}}
- name: GATEWAY_BACKUP_S3_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: access-key-id}}
- name: GATEWAY_BACKUP_S3_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: secret-access-key}}
{{- end -}}
