/**
 * The skeleton for a unikernel that brings none: what MirageOS writes today, without devices. The devices go
 * into `@DISKS@` and `@VIFS@` as lists.
 */
export const builtinSkeleton = `name = "@NAME@"
type = "pvh"
kernel = "@KERNEL@"
memory = @MEMORY@
disk = @DISKS@
vif = @VIFS@
on_crash = "preserve"
`
