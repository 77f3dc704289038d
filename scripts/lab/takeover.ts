import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { privateHostKey, publicKey } from "./keys.ts"
import { type Door, runScript } from "./shell.ts"

/**
 * Makes a machine that has just started from an image one of its own: keys, machine-id, and the clock, which
 * stood still since a snapshot was taken. It is entered by the image's keys and left answering to its own;
 * the private host key travels on standard input.
 */
export async function takeOver(image: Door, own: Door): Promise<void> {
  const script = `
date --utc --set @${(Date.now() / 1000).toFixed(3)} > /dev/null
echo ${randomBytes(16).toString("hex")} > /etc/machine-id
umask 077
cat > /etc/ssh/ssh_host_ed25519_key.new << 'END'
${(await privateHostKey(own.keys)).trim()}
END
ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key.new > /etc/ssh/ssh_host_ed25519_key.pub
mv /etc/ssh/ssh_host_ed25519_key.new /etc/ssh/ssh_host_ed25519_key
echo '${await publicKey(own.keys, "id_ed25519")}' > /root/.ssh/authorized_keys
sync
systemctl reload sshd
`
  await runScript("give the machine its own keys", image, script)
  await enterByOwnKeys(own)
}

/** sshd reads its keys anew in its own time: until then it shows the image's key, and then for a moment none. */
async function enterByOwnKeys(own: Door): Promise<void> {
  for (const end = Date.now() + 30_000; ; await sleep(100)) {
    try {
      return void (await runScript("enter the machine by its own keys", own, "true"))
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}
