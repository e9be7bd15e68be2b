#!lua
--[=[ probe_writes: writes nothing, but is refused in every state in which a sale is: OOM, NOREPLICAS, MISCONF, READONLY.
  The flags of a script decide that, and this script has none.

  KEYS    the nine keys of lua/decide.lua, in the same order
  Reply   1
  Cost    O(1) ]=]

return 1
