import { describe, expect, it } from 'vitest'
import { endpointHeaders, pageHeaders } from '../../src/protection/security-headers.ts'

const secure = { origin: 'https://app.example.com', isSecureOrigin: true, spa: { dir: 'dist' } }
const local = { origin: 'http://localhost:3000', isSecureOrigin: false, spa: undefined }

function directives(headers: ReturnType<typeof pageHeaders>): Record<string, string> {
  const policy = Object.fromEntries(headers)['content-security-policy'] ?? ''
  return Object.fromEntries(
    policy.split('; ').map((directive) => [directive.split(' ')[0], directive.split(' ').slice(1).join(' ')]),
  )
}

describe('the app’s pages', () => {
  it('get a policy in which script comes from the assets alone', () => {
    expect(directives(pageHeaders(secure))).toEqual({
      'default-src': "'none'",
      'script-src': 'https://app.example.com/assets/',
      'style-src': 'https://app.example.com/assets/',
      'connect-src': "'self'",
      'img-src': "'self' data:",
      'font-src': 'https://app.example.com/assets/',
      'media-src': "'self'",
      'frame-src': "'none'",
      'worker-src': 'https://app.example.com/assets/',
      'manifest-src': "'self'",
      'object-src': "'none'",
      'base-uri': "'none'",
      'form-action': "'self'",
      'frame-ancestors': "'none'",
    })
  })

  it('get the other fields once each', () => {
    const headers = pageHeaders(secure)
    expect(new Set(headers.map(([name]) => name)).size).toBe(headers.length)
    expect(Object.fromEntries(headers)).toMatchObject({
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'same-origin',
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
  })

  it('get what the operator adds, to its directive and no other', () => {
    const csp = {
      connectSrc: ['https://events.example.com', 'wss://events.example.com'],
      frameSrc: ['https://maps.example.com'],
      scriptSrc: ["'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
      imgSrc: ['blob:', 'https://*.example.com'],
      reportUri: '/csp-reports?app=1',
    }
    const headers = pageHeaders({ ...secure, spa: { dir: 'dist', csp } })
    expect(directives(headers)).toMatchObject({
      'connect-src': "'self' https://events.example.com wss://events.example.com",
      'frame-src': 'https://maps.example.com',
      'script-src': "https://app.example.com/assets/ 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
      'img-src': "'self' data: blob: https://*.example.com",
      'style-src': 'https://app.example.com/assets/',
      'report-uri': '/csp-reports?app=1',
      'report-to': 'csp',
    })
    expect(Object.fromEntries(headers)['reporting-endpoints']).toBe('csp="/csp-reports?app=1"')
  })

  it.each(['', 'a b', 'a;b', "x; script-src 'unsafe-inline'", 'a,b', 'a\r\nx: y', 'a\tb', 'ä', '\0'])(
    'do not get the source %j, which would end its directive',
    (text) => {
      for (const name of [
        'connectSrc',
        'scriptSrc',
        'imgSrc',
        'frameSrc',
        'workerSrc',
        'mediaSrc',
        'fontSrc',
        'styleSrc',
      ]) {
        expect(() => pageHeaders({ ...secure, spa: { dir: 'dist', csp: { [name]: [text] } } })).toThrow('CSP source')
      }
    },
  )

  it.each(['', 'reports', 'javascript:x', '/a b', '/a;b', '/a"b', '/a\\b', '/a,b', '/a\r\n', 'ftp://x/', '/ä'])(
    'do not get the report address %j',
    (reportUri) => {
      expect(() => pageHeaders({ ...secure, spa: { dir: 'dist', csp: { reportUri } } })).toThrow('CSP reports')
    },
  )

  it('are looser in development, where Vite puts script and style into the page, but not framed', () => {
    const loose = directives(pageHeaders(local, { isDevelopment: true }))
    expect(loose).toMatchObject({
      'script-src': "'self' 'unsafe-inline'",
      'style-src': "'self' 'unsafe-inline'",
      'connect-src': "'self' ws://localhost:3000",
      'object-src': "'none'",
      'base-uri': "'none'",
      'frame-ancestors': "'none'",
      'form-action': "'self'",
    })
    expect(JSON.stringify(pageHeaders(local))).not.toContain('unsafe')
    expect(JSON.stringify(pageHeaders(secure))).not.toContain('unsafe')
  })
})

describe('HSTS', () => {
  const hasIt = (origin: string, isSecureOrigin: boolean) =>
    [pageHeaders({ origin, isSecureOrigin, spa: undefined }), endpointHeaders({ origin, isSecureOrigin })].map(
      (headers) => headers.some(([name]) => name === 'strict-transport-security'),
    )

  it('is there where the origin is https', () => {
    expect(hasIt('https://app.example.com', true)).toEqual([true, true])
    expect(hasIt('https://localhost.example.com', true)).toEqual([true, true])
  })

  it.each([
    ['http://localhost:3000', false],
    ['https://localhost:3000', true],
    ['https://app.localhost', true],
    ['https://127.0.0.1:8443', true],
    ['https://[::1]:8443', true],
  ])('is not there on this machine: %s', (origin, isSecureOrigin) => {
    expect(hasIt(origin, isSecureOrigin)).toEqual([false, false])
  })
})

it('our endpoints’ answers are never kept, shown, framed or told of', () => {
  expect(endpointHeaders(secure)).toEqual([
    ['cache-control', 'no-store'],
    ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
    ['cross-origin-resource-policy', 'same-origin'],
    ['referrer-policy', 'no-referrer'],
    ['x-content-type-options', 'nosniff'],
    ['strict-transport-security', 'max-age=31536000; includeSubDomains'],
  ])
})
