# Runs a command with the restrictions in docker-compose.yml, without a container engine:
#   contain.sh DATA PYTHON COMMAND…
# The command runs as user 10001 without capabilities, on a read-only root file system. Only DATA
# (at /mnt/data) and 256 MB of temporary files that cannot be executed (at /mnt/tmp) are writable.
# Run it as root, in a new mount namespace (`unshare --mount`).
set -eu
data=$1 python=$2
shift 2

mount --make-rprivate /
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/data /mnt/tmp /mnt/python
mount --bind "$data" /mnt/data
mount --bind "$python" /mnt/python
# Other users cannot read an interpreter in root's home; here they can.
case $python in /root/*)
  mount -t tmpfs -o mode=755 none /root
  mkdir -p "$python"
  mount --bind /mnt/python "$python"
  mount -o remount,ro,bind "$python"
  mount -o remount,ro /root
esac
mount -t tmpfs -o mode=1777,size=256m,noexec,nosuid,nodev none /mnt/tmp
mount -o remount,ro,bind /mnt/python
mount -o remount,ro /mnt
mount -o remount,ro,bind /

export BARET_DATA_DIR=/mnt/data TMPDIR=/mnt/tmp HOME=/nonexistent PYTHONDONTWRITEBYTECODE=1
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs \
  --inh-caps=-all --bounding-set=-all "$@"
