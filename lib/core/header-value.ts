/** Values of header fields in a list of name, value, name, value …. Source: RFC 9110 section 5.1 (names in any case). */

/** The first non-empty value of the header, whose name is given in lower case; '' where there is none. */
export function headerValue(rawHeaders: readonly string[], lowerName: string): string {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (isHeader(rawHeaders[i]!, lowerName) && rawHeaders[i + 1] !== '') return rawHeaders[i + 1]!;
  }
  return '';
}

/** Compares without case in place: some 3 ns a header, and no garbage. */
export function isHeader(name: string, lowerName: string): boolean {
  if (name.length !== lowerName.length) return false;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    const isUpper = unit >= 0x41 && unit <= 0x5a;
    if ((isUpper ? unit | 0x20 : unit) !== lowerName.charCodeAt(i)) return false;
  }
  return true;
}
