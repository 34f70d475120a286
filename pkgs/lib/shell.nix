# Text for shell scripts.
{
  # One word, whatever is in it.
  quote = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
}
