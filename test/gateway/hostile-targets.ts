/** Request targets that two readers could take for two different things. */

const dots = ['.', '..', '%2e', '%2E', '%2e%2e', '%2E%2E', '.%2e', '%2e.', '.%2E', '%2E.', '..;', '..;x=1', '..%3B', '..%3b']
const places: ReadonlyArray<(segment: string) => string> = [
  (segment) => `/${segment}`,
  (segment) => `/${segment}/`,
  (segment) => `/api/${segment}`,
  (segment) => `/api/${segment}/admin`,
  (segment) => `/api/orders/${segment}/${segment}/bff/session`,
  (segment) => `/${segment}?x=1`,
]

const hidden = [
  ...['%2f', '%2F', '%5c', '%5C', '\\', '%25', '%252e%252e', '%252f', '%255c', '%00', '%00.json', '%0a', '%0d%0a', '%09'],
  ...['%7f', '%1f', '%20%0d', ';', ';jsessionid=1', '%3b', '%3B', '#', '#frag', '<', '>', '"', '^', '{', '}', '`', ' ', '\t'],
  ...['\r\n', '\0', '\x7f', '\u0080', 'é', '．．', '／', '。。', '\u2028', '\ud800', '😀'],
  // Malformed escapes.
  ...['%', '%%', '%2', '%g0', '%0g', '%zz', '% 2', '%u002e', '%u2215', '%-1', '%+1', '%0x2e', '%é0'],
  // UTF-8: overlong, surrogates, beyond U+10FFFF, cut off, in the wrong order, C1 controls.
  ...['%c0%ae', '%C0%AE', '%c0%af', '%c1%9c', '%c1%bf', '%e0%80%ae', '%e0%80%af', '%e0%9f%bf', '%f0%80%80%ae', '%f0%8f%bf%bf'],
  ...['%ed%a0%80', '%ed%bf%bf', '%ed%a0%80%ed%b0%80', '%f4%90%80%80', '%f5%80%80%80', '%f8%88%80%80%80', '%fc%84%80%80%80%80'],
  ...['%fe', '%ff', '%80', '%bf', '%c3', '%c3a9', '%c3%', '%c3%a', '%c3/%a9', '%c3%28', '%e2%82', '%e2%82x', '%e2%28%a1'],
  ...['%f0%9f%98', '%f0%9f', '%f0%28%8c%bc', '%a9%c3', '%c3%c3', '%c2%80', '%c2%85', '%c2%9f', '%e9'],
  // Characters that need no escape.
  ...['%61', '%41', '%7a', '%5A', '%30', '%39', '%2d', '%2D', '%5f', '%5F', '%7e', '%7E', '%61dmin', 'adm%69n'],
]

const wholes = [
  // Not origin-form.
  ...['', '*', 'api', 'api/orders', '?x', '#', '.', '..', 'http://evil.example/', 'https://app.example.com/api', 'HTTP://x/'],
  ...['evil.example:443', 'app.example.com:443', '//', '//evil.example', '//evil.example/api', '///', '///evil.example'],
  ...['\\\\evil.example', '\\', '/\\evil.example', '/\\/evil.example', '@evil.example', ':80', ' /', '\t/', '\n/', '\0/', '%2fapi'],
  ...['/api//orders', '/api/orders//', '/api///', '//api', '/api//?x', '/ HTTP/1.1', '/x HTTP/1.1\r\nHost: evil.example'],
  ...['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'ws://x/', 'unix:/tmp/socket', '/a\\..\\b', '/..\\b'],
  // The query.
  ...['/a?#', '/a?b#c', '/a?b c', '/a?\t', '/a?\r\nX: y', '/a?\0', '/a?é', '/a?\ud800', '/a?%', '/a?%2', '/a?%zz', '/a?x=%g1'],
  ...['/a?"', '/a?<script>', '/a?>', '/a?\x7f', '/a?\u0085', '/a?%u0041', '/a?100%', '/a?100%&b'],
]

export const hostileTargets: readonly string[] = [
  ...wholes,
  ...dots.flatMap((segment) => places.map((place) => place(segment))),
  ...hidden.flatMap((text) => [`/${text}x`, `/api/${text}x`, `/api/a${text}/x`, `/api/a${text}x?q=1`]),
]
