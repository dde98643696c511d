# What docker-compose.yml takes from our processes, without a container engine:
#   contain.sh DATA PYTHON COMMAND…
# runs a command as user 10001 with no capabilities, on a root file system that is read-only but
# for DATA (at /mnt/data) and 256 MB of temporary files that cannot be executed (at /mnt/tmp).
# To be run as root, in a mount namespace of its own (`unshare --mount`).
set -eu
data=$1 python=$2
shift 2

mount --make-rprivate /
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/data /mnt/tmp /mnt/python
mount --bind "$data" /mnt/data
mount --bind "$python" /mnt/python
# An interpreter in root's own home is not for others; here it is.
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
