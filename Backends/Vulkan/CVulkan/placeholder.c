typedef int cresset_placeholder;
