# CPython: a WSGI application with threads, which keeps notes in SQLite.
{ mkUnikernel, packages }:
mkUnikernel {
  name = "python";
  description = "CPython with a WSGI application that keeps notes in SQLite";
  package = packages.python;
  program = "${packages.python}/bin/${packages.python.meta.mainProgram}";
  args = [ "/srv/notes.py" ];
  env.PYTHONUNBUFFERED = "1";
  files."/srv/notes.py" = ./notes.py;
  exclude = [
    "include"
    "lib/*.a"
    "lib/*/*.a"
    "lib/python3*/config-*"
    "lib/python3*/idlelib"
    "lib/python3*/lib2to3"
    "lib/python3*/pydoc_data"
    "lib/python3*/test"
    "lib/python3*/tkinter"
    "share"
  ];
  forward = [ "8080:80" ];
}
// {
  test = {
    port = 80;
    memory = 192;
    client = ./client.sh;
  };
}
