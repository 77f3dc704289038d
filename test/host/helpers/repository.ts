import type { TestHost } from "./container.ts"
import { must } from "./run.ts"

/**
 * A signed repository of tiny packages in /srv/repo of a host: px-hello 1.0 and 2.0, which needs px-lib; px-slow 1.0
 * and 2.0; px-torn 1.0 and 2.0. The installation of px-lib and px-slow waits while /tmp/slow exists, and that of px-torn before
 * it is unpacked, so that it can be interrupted. As a deb, px-hello has a file of configuration. Made by the host's own tools. Returns the public key and its fingerprint as gpg tells it.
 */
export async function makeRepository(
  host: TestHost,
  kind: "deb" | "rpm",
  family: "debian" | "rhel" | "suse",
): Promise<{ armoured: string; fingerprint: string }> {
  const script = kind === "deb" ? DEB : `FAMILY=${family}\n${RPM}`
  const { exit, stderr, stdout } = await host.inside(["sh", "-eu", "-s"], script)
  if (exit !== 0) throw new Error(`the repository could not be made: ${stderr}${stdout}`)
  const armoured = await must(["cat", `${host.root}/srv/key.asc`])
  const fingerprint = (await must(["cat", `${host.root}/srv/fingerprint`])).trim()
  return { armoured, fingerprint }
}

const KEY = `
export GNUPGHOME=/srv/gnupg
mkdir -p -m 700 $GNUPGHOME /srv/repo
gpg --batch --quiet --passphrase '' --quick-generate-key 'Test <test@example.org>' rsa2048 sign never
gpg --armor --export > /srv/key.asc
gpg --with-colons --list-keys | sed -n 's/^fpr:*\\([0-9A-F]*\\):/\\1/p' | head -n 1 > /srv/fingerprint
`

const SLOW = "while [ -e /tmp/slow ]; do sleep 0.1; done"

const DEB = `${KEY}
deb() { # NAME VERSION DEPENDS
  tree=$(mktemp -d)
  mkdir -p $tree/DEBIAN $tree/usr/share/$1
  chmod 755 $tree
  echo $2 > $tree/usr/share/$1/version
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: Test <test@example.org>\\nDescription: test\\n%s' $1 $2 "$3" > $tree/DEBIAN/control
  case $1 in px-hello) mkdir $tree/etc; echo $2 > $tree/etc/px-hello; echo /etc/px-hello > $tree/DEBIAN/conffiles ;; esac
  case $1 in px-lib | px-slow) printf '#!/bin/sh\\n${SLOW}\\n' > $tree/DEBIAN/postinst; chmod 755 $tree/DEBIAN/postinst ;; esac
  case $1 in px-torn) printf '#!/bin/sh\\n${SLOW}\\n' > $tree/DEBIAN/preinst; chmod 755 $tree/DEBIAN/preinst ;; esac
  dpkg-deb --build --root-owner-group $tree /srv/repo/$1_$2_all.deb > /dev/null
}
deb px-lib 1.0 ''
deb px-hello 1.0 'Depends: px-lib
'
deb px-hello 2.0 'Depends: px-lib
'
deb px-slow 1.0 ''
deb px-slow 2.0 ''
deb px-torn 1.0 ''
deb px-torn 2.0 ''
deb px-other 1.0 ''
cd /srv/repo
apt-ftparchive packages . > Packages
apt-ftparchive release . > Release
gpg --batch --clearsign -o InRelease Release
# Only this repository: the test needs no network.
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
`

const RPM = `${KEY}
# An rpm host by os-release; dpkg is a guest on it, as it may be on Fedora.
rm /etc/os-release
printf 'ID=%s\\nID_LIKE="%s"\\nVERSION_ID=9\\nPRETTY_NAME="Test 9"\\n' $FAMILY $FAMILY > /etc/os-release
cp /etc/os-release /usr/lib/os-release
# Debian's rpm keeps its database in root's home, where zypper does not look for it.
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros.dbpath
rpm --initdb
spec() { # NAME VERSION REQUIRES
  cat > /tmp/$1.spec <<END
Name: $1
Version: $2
Release: 1
Summary: test
License: none
BuildArch: noarch
$3
%description
test
%install
mkdir -p %{buildroot}/usr/share/$1
echo $2 > %{buildroot}/usr/share/$1/version
%files
/usr/share/$1
END
  case $1 in px-lib | px-slow) printf '%%%%post -p /bin/sh\\n${SLOW}\\n' >> /tmp/$1.spec ;; esac
  case $1 in px-torn) printf '%%%%pre -p /bin/sh\\n${SLOW}\\n' >> /tmp/$1.spec ;; esac
  rpmbuild --quiet --nodeps -bb --define '_rpmdir /srv/repo' --define '_build_name_fmt %%{NAME}-%%{VERSION}.rpm' /tmp/$1.spec
}
# No host is without any package, and nothing else provides the shell of scriptlets here.
spec px-base 1.0 'Provides: /bin/sh'
rpm -i --nosignature /srv/repo/px-base-1.0.rpm
spec px-lib 1.0 ''
spec px-hello 1.0 'Requires: px-lib'
spec px-hello 2.0 'Requires: px-lib'
spec px-slow 1.0 ''
spec px-slow 2.0 ''
spec px-torn 1.0 ''
spec px-torn 2.0 ''
spec px-other 1.0 ''
# What holding a package needs of dnf and of yum: the image has the plugin itself.
spec python3-dnf-plugin-versionlock 1.0 ''
spec yum-plugin-versionlock 1.0 ''
spec px-unsigned 1.0 ''
rpmsign --define '__gpg /usr/bin/gpg' --define '_gpg_name test@example.org' --addsign $(ls /srv/repo/*.rpm | grep -v unsigned) > /dev/null
createrepo_c --quiet /srv/repo
# Only this repository: the test needs no network.
rm -f /etc/yum.repos.d/* /etc/zypp/repos.d/*
mkdir -p /etc/pki/rpm-gpg /etc/yum.repos.d /etc/zypp/repos.d
`
