EXTRA_DIST += \
	tests/sdk/.npmrc \
	tests/sdk/client.js \
	tests/sdk/conftest.py \
	tests/sdk/package-lock.json \
	tests/sdk/package.json \
	tests/sdk/test_sdk.py
