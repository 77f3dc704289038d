/** The Xen version that the RPMs carry, as Debian 12 has it. */
const version = "4.17"
const release = "1.lab9"

const common = `
AutoReqProv: no
License: GPL-2.0-only
`

/** rpmbuild would strip, compress and byte-compile what Debian built. */
const asItIs = `
%global debug_package %{nil}
%global __os_install_post %{nil}
%define _build_id_links none
`

/**
 * The one RPM that a bare machine of flavour `rpm` has installed. It provides what EL's packages look for in each
 * other, since the real files came as Debian packages of which RPM knows nothing.
 */
export const baseSpec = `
Name: lab-release
Version: 9.4
Release: ${release}
Summary: The bare machine of the lab
BuildArch: noarch
${common}
Provides: system-release = 9.4, system-release(releasever) = 9, redhat-release = 9.4
Provides: /bin/sh, bash, coreutils, glibc, kernel, systemd, openssh-server, python3
Provides: NetworkManager, dnf, grub2-tools, grub2-pc
${asItIs}
%description
Stands for all that a bare machine has installed.
%files
`

/** Xen as Fedora splits it: xen pulls in xen-hypervisor, xen-runtime and xen-libs. */
export const xenSpec = ({ payload, files }: { payload: string; files: string }): string => `
Name: xen
Version: ${version}
Release: ${release}
Summary: The Xen hypervisor with its tools
ExclusiveArch: x86_64
${common}
Requires: xen-hypervisor = ${version}, xen-runtime = ${version}
${asItIs}
%description
A Xen host.

%package -n xen-hypervisor
Summary: The Xen hypervisor
AutoReqProv: no
Requires(post): grub2-tools
%description -n xen-hypervisor
The hypervisor that GRUB boots.

%package -n xen-runtime
Summary: The tools of Xen's control domain
AutoReqProv: no
Requires: xen-libs = ${version}, systemd, python3
%description -n xen-runtime
xl, the Xen store, the console daemon and the hotplug scripts.

%package -n xen-libs
Summary: The libraries of Xen's tools
AutoReqProv: no
%description -n xen-libs
What the tools are linked with.

%install
cp -a ${shellWordInSpec(payload)}/. %{buildroot}

%post -n xen-hypervisor
[ ! -f /boot/grub2/grub.cfg ] || grub2-mkconfig -o /boot/grub2/grub.cfg

%postun -n xen-hypervisor
[ ! -f /boot/grub2/grub.cfg ] || grub2-mkconfig -o /boot/grub2/grub.cfg

%post -n xen-runtime
systemctl daemon-reload
systemctl enable xenstored.service xen-init-dom0.service xenconsoled.service xendomains.service

%preun -n xen-runtime
[ "$1" -gt 0 ] || systemctl disable xenstored.service xen-init-dom0.service xenconsoled.service xendomains.service

%post -n xen-libs
ldconfig

%files
%files -n xen-hypervisor -f ${files}/hypervisor
%files -n xen-runtime -f ${files}/runtime
%files -n xen-libs -f ${files}/libs
`

/** A path as one word of %install's shell, with RPM's own percent signs escaped. */
function shellWordInSpec(path: string): string {
  return `'${path.replaceAll("%", "%%").replaceAll("'", `'\\''`)}'`
}
