# What a dom0 of the tests needs of Linux's modules, in the order in which they are loaded.
[
  "xen-evtchn"
  "xen-gntdev"
  "xen-privcmd"
  "xenfs"
  "xen-netback"
  "xen-blkback"
  "loop"
  "llc"
  "stp"
  "bridge"
]
