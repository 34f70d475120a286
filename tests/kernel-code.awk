# Checks that a kernel's machine code keeps clear of what belongs to programs: SSE, MMX and x87 registers, which the
# kernel does not save on entry, and the red zone below the stack pointer, which an interrupt would overwrite.
# Usage: objdump -d --no-show-raw-insn KERNEL | awk -f kernel-code.awk

function found(what) { print what " in " name ":" $0; wrong++ }

/^[0-9a-f]+ <.*>:$/ { name = $2 }

/^ *[0-9a-f]+:\t/ {
  instructions++
  mnemonic = $2
  if ($0 ~ /%[xyz]?mm[0-9]/) found("vector register")
  # Saving and resetting a thread's state is the kernel's own business.
  if (mnemonic ~ /^f/ && mnemonic !~ /^(fxsave|fxsave64|fxrstor|fxrstor64|fninit)$/) found("x87 instruction")
  # With an index register it is an array's element, above the stack pointer.
  if ($0 ~ /-0x[0-9a-f]+\(%rsp\)/ && mnemonic !~ /^lea/) found("red zone")
}

END {
  print instructions + 0 " instructions, " wrong + 0 " of them out of bounds"
  if (instructions < 1000 || wrong) exit 1
}
