# The applications that come with the distribution, as images.
{ mkUnikernel, mkProgram }:
{
  hello = mkUnikernel {
    name = "hello";
    program = "${
      mkProgram {
        name = "hello-program";
        members = [ "apps/hello" ];
      }
    }/bin/hello";
  };
}
