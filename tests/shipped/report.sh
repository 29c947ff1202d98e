# A board as its kernel shows it.
sys=$STAGE/sys
mkdir -p "$sys/devices/platform/soc/soc:firmware" "$sys/class/thermal/thermal_zone0" "$sys/class/mmc_host/mmc0/mmc0:0001"
echo 50005 >"$sys/devices/platform/soc/soc:firmware/get_throttled"
echo 84000 >"$sys/class/thermal/thermal_zone0/temp"
echo "0x0a 0x02" >"$sys/class/mmc_host/mmc0/mmc0:0001/life_time"
echo 0x01 >"$sys/class/mmc_host/mmc0/mmc0:0001/pre_eol_info"
mkdir "$STAGE/full"
mount -t ext4 -o loop "$(truncate -s 8M "$STAGE/disk" && mkfs.ext4 -q "$STAGE/disk" && echo "$STAGE/disk")" "$STAGE/full" 2>/dev/null &&
    { head -c 20M /dev/zero >"$STAGE/full/fill" 2>/dev/null || true; }

if run node-report sys="$sys" hot=80 disk_full=90; then fail "a sick board is called well: $said"; fi
for line in 'FOUND +power +under-voltage now, throttled now' 'FOUND +heat +84 °C' 'FOUND +card .*100 %'; do
    grep -Eq "$line" <<<"$said" || fail "it does not tell $line: $said"
done
if mountpoint -q "$STAGE/full"; then
    grep -Eq "FOUND +disk +$STAGE/full is 100 % full" <<<"$said" || fail "it does not tell of the full disk: $said"
    umount "$STAGE/full"
fi

# The same board, well again; what it did before it was switched on is over.
echo 0 >"$sys/devices/platform/soc/soc:firmware/get_throttled"
echo 41000 >"$sys/class/thermal/thermal_zone0/temp"
echo "0x01 0x01" >"$sys/class/mmc_host/mmc0/mmc0:0001/life_time"
run node-report sys="$sys" hot=80 disk_full=101 || true
for line in 'ok +power' 'ok +heat +41 °C' 'ok +card .*10 %'; do
    grep -Eq "$line" <<<"$said" || fail "it does not tell $line: $said"
done

# A machine that has none of it.
mkdir "$STAGE/bare"
run node-report sys="$STAGE/bare" hot=80 disk_full=101 || true
for line in 'not told +power' 'not told +heat' 'not told +card'; do
    grep -Eq "$line" <<<"$said" || fail "it does not say that it cannot tell $line: $said"
done
before=$said
run node-report sys="$STAGE/bare" hot=80 disk_full=101 || true
[[ $(grep -v memory <<<"$said") == "$(grep -v memory <<<"$before")" ]] || fail "asked twice it tells something else"
