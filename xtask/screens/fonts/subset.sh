#!/bin/sh
# Makes the fonts in this folder anew from Debian's packages. Needs: apt-get, dpkg-deb, pyftsubset (fonttools).
# Box drawing, blocks and braille are left out: those are drawn as shapes (src/shape/).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download fonts-jetbrains-mono fonts-dejavu-core
for package in *.deb; do dpkg-deb --extract "$package" .; done

# NAME SOURCE CHARACTERS
subset() {
    pyftsubset "usr/share/fonts/truetype/$2" --unicodes="$3" --output-file="$here/$1" \
        --layout-features= --no-hinting --desubroutinize --notdef-outline --name-IDs=0,1,2,3,4,5,6,13,14 \
        --no-recalc-timestamp
}
text=U+0020-007E,U+00A0-017F,U+0192,U+0370-03FF,U+2000-206F,U+20AC,U+2122,U+2190-21FF,U+2200-22FF
symbols=U+2190-21FF,U+2200-22FF,U+2300-23FF,U+25A0-25FF,U+2600-26FF,U+2700-27BF
subset JetBrainsMono-Regular.ttf jetbrains-mono/JetBrainsMono-Regular.ttf "$text,$symbols"
subset JetBrainsMono-Bold.ttf jetbrains-mono/JetBrainsMono-Bold.ttf "$text,$symbols"
subset JetBrainsMono-Italic.ttf jetbrains-mono/JetBrainsMono-Italic.ttf "$text"
subset DejaVuSansMono.ttf dejavu/DejaVuSansMono.ttf "$symbols"
