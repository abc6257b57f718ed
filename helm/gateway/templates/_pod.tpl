{{/* What every container of the gateway may: nothing. */}}
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
# A volume of many objects is not walked through at each start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* What every pod of the gateway has beside its containers and volumes. */}}
{{- define "gateway.podCommon" -}}
automountServiceAccountToken: false
# Of Services such as gateway-dicom Kubernetes would make variables such as GATEWAY_DICOM_PORT, which is a setting.
enableServiceLinks: false
securityContext:
  {{- include "gateway.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A container that carries out one command and ends. Called with (dict "root" . "name" … "args" (list …) "settings"
     "YAML" "mounts" "YAML" "role" …): by default that of people and their programs. */}}
{{- define "gateway.command" -}}
name: {{ .name }}
image: {{ include "gateway.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with .command }}
command: {{ toJson . }}
{{- end }}
{{- with .args }}
args: {{ toJson . }}
{{- end }}
env:
  {{- include "gateway.environment" (list .root (default "" .settings) (hasKey . "role" | ternary .role "admin")) | trim | nindent 2 }}
  {{- with .env }}
  {{- . | nindent 2 }}
  {{- end }}
{{- with include "gateway.settingsSecrets" .root }}
envFrom:
  {{- . | trim | nindent 2 }}
{{- end }}
resources:
  {{- toYaml (default .root.Values.services.commitment.resources .resources) | nindent 2 }}
securityContext:
  {{- include "gateway.containerSecurity" .root | nindent 2 }}
volumeMounts:
  - {name: home, mountPath: /var/lib/gateway}
  - {name: tmp, mountPath: /tmp}
  {{- with include "gateway.filesMounts" .root }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with .mounts }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The volumes of such a container. Called with (list . size-of-its-home). */}}
{{- define "gateway.scratch" -}}
- {name: home, emptyDir: {sizeLimit: {{ last . }}}}
- {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- include "gateway.filesVolumes" (first .) }}
{{- end -}}

{{/* Files of the site's, which settings and addresses name: whole folders, so that they are renewed with their source. */}}
{{- define "gateway.filesMounts" -}}
{{- range .Values.files }}
{{- $name := .secret | default .configMap }}
- {name: file-{{ $name }}, mountPath: /etc/gateway/files/{{ $name }}, readOnly: true}
{{- end }}
{{- end -}}

{{- define "gateway.filesVolumes" -}}
{{- range .Values.files }}
{{- if .secret }}
- name: file-{{ .secret }}
  secret: {secretName: {{ .secret }}, defaultMode: 288} # 0440
{{- else }}
- name: file-{{ .configMap }}
  configMap: {name: {{ .configMap }}}
{{- end }}
{{- end }}
{{- end -}}
