EXTRA_DIST += \
	tests/system/audit_lines.py \
	tests/system/caller.py \
	tests/system/certificates.py \
	tests/system/cloud.py \
	tests/system/conftest.py \
	tests/system/fixtures.py \
	tests/system/gateway.py \
	tests/system/leaks.py \
	tests/system/receivers.py \
	tests/system/refusal.py \
	tests/system/signature.py \
	tests/system/wait.py \
	tests/system/test_audit_docs.py \
	tests/system/test_audit_schema.py \
	tests/system/test_audit_verify.py \
	tests/system/test_back_pressure.py \
	tests/system/test_bad_input.py \
	tests/system/test_clients.py \
	tests/system/test_cloud_faults.py \
	tests/system/test_cloud_strictness.py \
	tests/system/test_delete_output.py \
	tests/system/test_drain.py \
	tests/system/test_leaks.py \
	tests/system/test_refusals.py \
	tests/system/test_reload.py \
	tests/system/test_sandbox.py \
	tests/system/test_scaffold.py \
	tests/system/test_limits.py \
	tests/system/test_metrics.py \
	tests/system/test_sinks.py \
	tests/system/test_start.py \
	tests/system/test_tls_listener.py \
	tests/system/test_tokens.py \
	tests/system/test_unix_listener.py \
	tests/system/test_upstream_tls.py
EXTRA_DIST += \
	tests/system/test_audit_log.py \
	tests/system/test_audit_reading.py \
	tests/system/traces/api.json \
	tests/system/traces/archive.json \
	tests/system/traces/lines.jsonl \
	tests/system/written_log.py
