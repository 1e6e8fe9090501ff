EXTRA_DIST += \
	tests/raw/README.md \
	tests/raw/more.json \
	tests/raw/raw.json \
	tests/raw/run
