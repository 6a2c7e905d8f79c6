"""The examination of an installation: facts that adapters collect, judged one by one."""
