# noqa: A005  (the folder is named by the brief; nothing imports it as a module)
