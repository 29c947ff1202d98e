another_machine
ip -n other addr add 10.77.0.2/24 dev eth0
# A source of packages, on this machine, with one package.
mkdir -p "$STAGE/hello/DEBIAN" "$STAGE/source/pool"
printf 'Package: bramble-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@packages.invalid>\nDescription: says nothing\n' >"$STAGE/hello/DEBIAN/control"
dpkg-deb --build --root-owner-group "$STAGE/hello" "$STAGE/source/pool/bramble-hello_1.0_all.deb" >/dev/null
(cd "$STAGE/source" && dpkg-scanpackages pool 2>/dev/null | gzip >Packages.gz)
python3 -m http.server --bind 10.77.0.1 --directory "$STAGE/source" 80 >"$STAGE/source.log" 2>&1 &
source=$!

run setup-package-cache role=cache cache= port=3142 || fail "$said"
run setup-package-cache role=cache cache= port=3142 || fail "$said"
[[ $said == *"already configured"* ]] || fail "the second time it changed something: $said"
[[ $(grep -c restart "$STAGE/systemctl.log") == 1 ]] || fail "the second time it started the cache again"

fetch() { ip netns exec other python3 -c 'import sys, urllib.request as u; u.install_opener(u.build_opener(u.ProxyHandler({"http": "http://10.77.0.1:3142"}))); sys.stdout.buffer.write(u.urlopen("http://10.77.0.1/pool/bramble-hello_1.0_all.deb", timeout=20).read())'; }
until_so fetch
fetch | cmp - "$STAGE/source/pool/bramble-hello_1.0_all.deb" || fail "another package came"
kill "$source"
fetch | cmp - "$STAGE/source/pool/bramble-hello_1.0_all.deb" || fail "without its source it is not there any more"

# A worker asks it from now on, and apt has understood that.
ip netns exec other bash -c "$(declare -f run fail); set -e; run setup-package-cache role=client cache=10.77.0.1 port=3142 || fail \"\$said\"; run setup-package-cache role=client cache=10.77.0.1 port=3142 || fail \"\$said\"; [[ \$said == *'already configured'* ]]"
[[ $(apt-config dump Acquire::http::Proxy) == *'"http://10.77.0.1:3142"'* ]] || fail "apt does not know it: $(apt-config dump Acquire::http::Proxy)"
run setup-package-cache role=none cache= port=3142 || fail "$said"
run setup-package-cache role=none cache= port=3142 || fail "$said"
[[ -z $(apt-config dump Acquire::http::Proxy) ]] || fail "apt still asks the cache"

refused "where the cache is" setup-package-cache role=client cache='x";y' port=3142
refused "nothing answers" setup-package-cache role=client cache=10.77.0.1 port=1
