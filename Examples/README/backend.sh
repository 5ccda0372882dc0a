# Examples/README/backend.sh
cc -O2 -shared -fPIC -o libcresset_backend_naive.so Examples/CustomBackend/naive_backend.c -ISources/CBackend/include -lm
CRESSET_BACKEND_PATH=. cresset devices
