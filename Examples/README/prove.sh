# Examples/README/prove.sh
cresset conformance --plugin ./libcresset_backend_naive.so --op '^aten::(add|relu|sum|matmul|gather)'
cresset new-backend mychip --language c --path mychip
