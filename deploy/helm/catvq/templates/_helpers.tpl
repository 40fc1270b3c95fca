{{- define "catvq.labels" -}}
app.kubernetes.io/name: catvq
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "catvq.selector" -}}
app.kubernetes.io/name: catvq
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "catvq.secret" -}}
{{- .Values.existingSecret | default (printf "%s-secret" .Release.Name) }}
{{- end }}

{{- define "catvq.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "catvq.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "catvq.environment" -}}
envFrom:
  - configMapRef: {name: {{ .Release.Name }}-settings}
  - secretRef: {name: {{ include "catvq.secret" . }}}
{{- end }}

{{- define "catvq.mounts" -}}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "catvq.volumes" -}}
volumes:
  - name: data
    emptyDir: {sizeLimit: {{ .Values.dataSize }}}
  - name: tmp
    emptyDir: {sizeLimit: 1Gi}
{{- end }}

{{- define "catvq.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
