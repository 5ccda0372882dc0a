print("cresset")
