"""The cases here are for strangers; they are played by the zoo, not collected as cases."""

collect_ignore_glob = ["cases/*"]
