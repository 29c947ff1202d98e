#!/usr/bin/env bash
# /// bramble
# about = "Tell how healthy a board is: power, heat, SD card, disks, memory, time and services"
# [params.disk_full]
# about = "a file system is called full from so many percent on"
# type = "number"
# default = 90
# [params.hot]
# about = "a processor is called hot from so many degrees on"
# type = "number"
# default = 80
# [params.sys]
# about = "another place than /sys to look at, for tests"
# default = "/sys"
# ///
# shellcheck disable=SC2154 # parameters come as variables
# Ends with 0 where all is well, with 1 where something was found. What a machine cannot tell is not called well.
set -uo pipefail

found=0
well() { printf 'ok       %-9s %s\n' "$1" "$2"; }
bad() { printf 'FOUND    %-9s %s\n' "$1" "$2"; found=1; }
unknown() { printf 'not told %-9s %s\n' "$1" "$2"; }

# The flags of a Pi's firmware, now and since it was switched on.
flags=
for file in "$sys"/devices/platform/soc/soc:firmware/get_throttled "$sys"/class/hwmon/hwmon*/device/get_throttled; do
    [[ -r $file ]] && flags=$((16#$(tr -d '\n' <"$file"))) && break
done
if [[ -z $flags ]] && command -v vcgencmd >/dev/null && said=$(vcgencmd get_throttled 2>/dev/null); then
    flags=$((${said#throttled=}))
fi
if [[ -z $flags ]]; then
    unknown power "this is no Pi, or its firmware does not say"
else
    words=()
    ((flags & 0x1)) && words+=("under-voltage now")
    ((flags & 0x10000 && !(flags & 0x1))) && words+=("under-voltage since it was switched on")
    ((flags & 0x4)) && words+=("throttled now")
    ((flags & 0x40000 && !(flags & 0x4))) && words+=("throttled since it was switched on")
    ((flags & 0x2)) && words+=("frequency capped now")
    ((flags & 0x8)) && words+=("at its soft temperature limit now")
    if ((${#words[@]})); then
        printf -v joined '%s, ' "${words[@]}"
        bad power "${joined%, }: a better power supply or more cooling is needed"
    else
        well power "no under-voltage, not throttled"
    fi
fi

hottest=
for file in "$sys"/class/thermal/thermal_zone*/temp; do
    [[ -r $file ]] && value=$(<"$file") && [[ $value =~ ^-?[0-9]+$ ]] && ((value > ${hottest:--1000000})) && hottest=$value
done
if [[ -z $hottest ]]; then
    unknown heat "there is no thermal zone"
elif ((hottest >= hot * 1000)); then
    bad heat "$((hottest / 1000)) °C"
else
    well heat "$((hottest / 1000)) °C"
fi

# Cards that follow the standard tell how worn they are, in tenths of their life.
cards=0
for device in "$sys"/class/mmc_host/mmc*/mmc*:*; do
    [[ -r $device/life_time ]] || continue
    read -r a b <"$device/life_time" || true
    worn=$((a > b ? a : b))
    ((worn > 0)) || continue
    cards=$((cards + 1))
    name=${device##*/}
    end=$(cat "$device/pre_eol_info" 2>/dev/null || echo 0x00)
    if ((worn >= 9)) || ((end >= 2)); then
        bad card "$name has used $((worn * 10)) % of its life: replace it soon"
    else
        well card "$name has used up to $((worn * 10)) % of its life"
    fi
done
((cards)) || unknown card "no card here says how worn it is"

while read -r percent place; do
    percent=${percent%\%}
    if ((percent >= disk_full)); then
        bad disk "$place is $percent % full"
    else
        well disk "$place is $percent % full"
    fi
done < <(df -P -x tmpfs -x devtmpfs -x overlay -x squashfs 2>/dev/null | awk 'NR > 1 && $2 > 0 {print $5, $6}')

while read -r device place kind options _; do
    case $kind in ext4 | btrfs | xfs | f2fs | vfat) ;; *) continue ;; esac
    [[ ,$options, == *,ro,* && $device == /dev/* ]] && bad disk "$place is mounted read-only: its disk may be failing"
done </proc/mounts

if log=$(dmesg 2>/dev/null); then
    errors=$(grep -Eic 'I/O error|mmc[0-9]+: (error|timeout)|EXT4-fs error' <<<"$log")
    if ((errors > 0)); then
        bad errors "$errors lines about failing disks in the kernel's log: see dmesg"
    else
        well errors "none of a disk in the kernel's log"
    fi
else
    unknown errors "the kernel's log may not be read"
fi

available=$(awk '$1 == "MemAvailable:" {a = $2} $1 == "MemTotal:" {t = $2} END {if (t > 0) print int(100 * a / t)}' /proc/meminfo)
if [[ -z $available ]]; then
    unknown memory "/proc/meminfo does not say"
elif ((available < 5)); then
    bad memory "only $available % is left"
else
    well memory "$available % is left"
fi

if [[ -d /run/systemd/system ]] && synchronized=$(timedatectl show -p NTPSynchronized --value 2>/dev/null) && [[ -n $synchronized ]]; then
    if [[ $synchronized == yes ]]; then
        well time "in step with a time server"
    else
        bad time "not in step with a time server: see bramble script show setup-time"
    fi
elif command -v chronyc >/dev/null && tracking=$(chronyc -n tracking 2>/dev/null); then
    if grep -q 'Leap status.*Normal' <<<"$tracking"; then
        well time "in step with a time server"
    else
        bad time "not in step with a time server: see bramble script show setup-time"
    fi
else
    unknown time "nothing here says whether the clock is in step"
fi

if [[ -d /run/systemd/system ]]; then
    mapfile -t failed < <(systemctl --failed --plain --no-legend 2>/dev/null | awk '{print $1}')
    if ((${#failed[@]})); then
        bad services "failed: ${failed[*]}"
    else
        well services "none has failed"
    fi
else
    unknown services "there is no systemd"
fi
exit "$found"
