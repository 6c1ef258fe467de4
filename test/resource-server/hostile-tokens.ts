/** Tokens that nobody should take, each made of a valid one or signed by a real key. The same for Node and workerd. */
import { createHmac, createPrivateKey, generateKeyPairSync, sign as nodeSign } from 'node:crypto'
import { CompactEncrypt, exportPKCS8, exportSPKI, importJWK } from 'jose'
import { audience, claimsOf, type SigningKey, seconds, signClaims, signingKey } from './issuer.ts'
import type { Stranger } from './stranger.ts'

export interface HostileToken {
  readonly name: string
  readonly token: string
}

export interface HostileParts {
  readonly issuer: string
  /** Published. */
  readonly es256: SigningKey
  readonly rs256: SigningKey
  readonly eddsa: SigningKey
  /** Of `es256`'s `kid`, and running: nothing is to be fetched from there. */
  readonly stranger: Stranger
  /** Of `es256`: the token that is changed for many of them. Default: one that nobody sees otherwise. */
  readonly good?: string
}

const base64url = (value: string | Uint8Array) => Buffer.from(value as string).toString('base64url')
const json = (value: unknown) => base64url(JSON.stringify(value))

export async function hostileTokens(parts: HostileParts): Promise<HostileToken[]> {
  const { issuer, es256, rs256, eddsa, stranger } = parts
  const claims = (more: Record<string, unknown> = {}) => claimsOf(issuer, more)
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(claims()).filter(([name]) => !names.includes(name)))
  const signed = (more: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = es256) =>
    signClaims(claims(more), key, header)
  const good = parts.good ?? (await signed())
  const [head = '', body = '', signature = ''] = good.split('.')
  const header = (more: Record<string, unknown> = {}) => ({
    alg: 'ES256',
    kid: es256.jwk.kid,
    typ: 'at+jwt',
    ...more,
  })
  /** Over text that no JSON writer would give. */
  const signedText = async (headerText: string, payloadText: string | Uint8Array, key = es256) => {
    const input = `${base64url(headerText)}.${base64url(payloadText)}`
    const options = { key: createPrivateKey(await exportPKCS8(key.privateKey)), dsaEncoding: 'ieee-p1363' as const }
    return `${input}.${base64url(nodeSign('sha256', Buffer.from(input), options))}`
  }
  const hmac = (key: string, more: Record<string, unknown> = {}) => {
    const input = `${json(header({ alg: 'HS256', ...more }))}.${json(claims())}`
    return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
  }
  const rsaSpki = await exportSPKI((await importJWK(rs256.jwk, 'RS256')) as CryptoKey)
  const encryption = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwe = await new CompactEncrypt(Buffer.from(good))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', typ: 'at+jwt', cty: 'JWT' })
    .encrypt(encryption.publicKey)
  const der = nodeSign('sha256', Buffer.from(`${head}.${body}`), createPrivateKey(await exportPKCS8(es256.privateKey)))
  const text = JSON.stringify(claims())
  const now = seconds()
  // Of order 1: with it, S = 0 and R = the same point verify any message in a careless implementation.
  const smallOrder = Buffer.from('0100000000000000000000000000000000000000000000000000000000000000', 'hex')

  const list: [string, string | Promise<string>][] = [
    // Algorithms.
    ['alg none', `${json(header({ alg: 'none' }))}.${json(claims())}.`],
    ['alg none with a signature', `${json(header({ alg: 'none' }))}.${json(claims())}.${signature}`],
    ['alg NoNe', `${json(header({ alg: 'NoNe' }))}.${json(claims())}.`],
    ['no alg', `${json({ kid: es256.jwk.kid, typ: 'at+jwt' })}.${body}.${signature}`],
    ['alg as a list', `${json(header({ alg: ['ES256'] }))}.${body}.${signature}`],
    ['alg of a prototype', `${json(header({ alg: '__proto__' }))}.${body}.${signature}`],
    ['HS256 with the public key in PEM', hmac(rsaSpki, { kid: rs256.jwk.kid })],
    ['HS256 with the public key in JSON', hmac(JSON.stringify(rs256.jwk), { kid: rs256.jwk.kid })],
    ['HS256 with an empty key', hmac('')],
    ['ES256 said of an RSA key', signed({}, { kid: rs256.jwk.kid })],
    ['PS256 said of an RS256 signature', reheaded(await signed({}, {}, rs256), { alg: 'PS256' })],
    ['a signature of another key', signClaims(claims(), stranger.key)],
    ['a key of another curve', signClaims(claims(), await signingKey('ES384', es256.jwk.kid))],
    // Keys that the token brings.
    ['an embedded jwk', signClaims(claims(), stranger.key, { jwk: stranger.key.jwk, kid: undefined })],
    ['an embedded jwk with a known kid', signClaims(claims(), stranger.key, { jwk: stranger.key.jwk })],
    ['jku', signClaims(claims(), stranger.key, { jku: stranger.jku, kid: stranger.kid })],
    ['jku with a known kid', signClaims(claims(), stranger.key, { jku: stranger.jku })],
    ['x5u', signClaims(claims(), stranger.certifiedKey, { x5u: stranger.x5u, kid: undefined })],
    ['x5c', signClaims(claims(), stranger.certifiedKey, { x5c: stranger.x5c, kid: undefined })],
    ...['../../dev/null', "' OR 1=1 --", 'file:///etc/passwd', '$(id)', '', '\u0000', '__proto__', 'constructor'].map(
      (kid): [string, Promise<string>] => [`kid ${JSON.stringify(kid)}`, signClaims(claims(), stranger.key, { kid })],
    ),
    ['kid as a number', reheaded(good, { kid: 1 })],
    ['kid as an object', reheaded(good, { kid: { toString: 'x' } })],
    ['kid null', reheaded(good, { kid: null })],
    // What the header demands.
    ['crit', signedText(JSON.stringify(header({ crit: ['exp'], exp: 1 })), text)],
    ['crit, empty', signedText(JSON.stringify(header({ crit: [] })), text)],
    ['crit b64, payload encoded', signedText(JSON.stringify(header({ crit: ['b64'], b64: true })), text)],
    ['crit b64, payload not encoded', signedText(JSON.stringify(header({ crit: ['b64'], b64: false })), text)],
    // Other kinds of token.
    ['typ JWT', signed({}, { typ: 'JWT' })],
    ['no typ', signed({}, { typ: undefined })],
    ['typ as a list', signedText(JSON.stringify(header({ typ: ['at+jwt'] })), text)],
    ['typ with a parameter', signed({}, { typ: 'at+jwt; x=1' })],
    ['typ with a space', signed({}, { typ: ' at+jwt' })],
    ['typ text/at+jwt', signed({}, { typ: 'text/at+jwt' })],
    ['typ with a Kelvin sign, which lowercases to k', signed({}, { typ: 'at+\u{212a}wt' })],
    ['a logout token', signed({ events: {} }, { typ: 'logout+jwt' })],
    ['a DPoP proof', signed({ htm: 'GET', htu: audience }, { typ: 'dpop+jwt', jwk: es256.jwk })],
    ['an ID token', signed({ aud: 'app', nonce: 'n' }, { typ: undefined })],
    ['an ID token for this audience', signed({ nonce: 'n' }, { typ: 'JWT' })],
    [
      'a signed introspection answer',
      signed({ token_introspection: { active: true, sub: 'ada' } }, { typ: 'token-introspection+jwt' }),
    ],
    // Who and for whom.
    ['another issuer', signed({ iss: 'https://elsewhere.example' })],
    ['an issuer with a slash more', signed({ iss: `${issuer}/` })],
    ['an issuer in a list', signed({ iss: [issuer] })],
    ['an issuer of capitals', signed({ iss: issuer.toUpperCase() })],
    ['another audience', signed({ aud: 'https://other.example.com' })],
    ['another audience in a list', signed({ aud: ['https://other.example.com', 'app'] })],
    ['an audience that begins like ours', signed({ aud: `${audience}/admin` })],
    ['an audience that ours begins like', signed({ aud: 'https://api.example' })],
    ['an audience as an object', signed({ aud: { 0: audience } })],
    ['an audience nested in a list', signed({ aud: [[audience]] })],
    ['an empty audience', signed({ aud: [] })],
    ['an audience with an invisible character', signed({ aud: `${audience}\u200b` })],
    ['an audience with a homograph', signed({ aud: audience.replace('a', 'а') })],
    ...['iss', 'aud', 'sub', 'client_id', 'jti', 'exp', 'iat'].map((name): [string, Promise<string>] => [
      `no ${name}`,
      signClaims(without(name), es256),
    ]),
    ...['sub', 'client_id', 'jti'].flatMap((name): [string, Promise<string>][] => [
      [`${name} empty`, signed({ [name]: '' })],
      [`${name} a number`, signed({ [name]: 7 })],
      [`${name} null`, signed({ [name]: null })],
    ]),
    // When.
    ['expired', signed({ iat: now - 100, exp: now - 40 })],
    ['expired at zero', signed({ exp: 0 })],
    ['not valid yet', signed({ nbf: now + 60 })],
    ['issued in the future', signed({ iat: now + 60, exp: now + 120 })],
    ['exp as a string', signed({ exp: String(now + 60) })],
    ['exp null', signed({ exp: null })],
    ['iat as a string', signed({ iat: String(now) })],
    ['nbf as a string', signed({ nbf: '0' })],
    ['exp beyond all numbers', signedText(JSON.stringify(header()), text.replace(/"exp":\d+/, '"exp":1e999'))],
    ['iat before all numbers', signedText(JSON.stringify(header()), text.replace(/"iat":\d+/, '"iat":-1e999'))],
    // What JSON readers understand differently.
    ['sub twice', signedText(JSON.stringify(header()), text.replace('{', '{"sub":"root",'))],
    ['sub twice, once escaped', signedText(JSON.stringify(header()), text.replace('{', '{"\\u0073ub":"root",'))],
    ['a member of a claim twice', signedText(JSON.stringify(header()), text.replace('{', '{"x":{"a":1,"a":2},'))],
    ['alg twice', signedText(JSON.stringify(header()).replace('{', '{"alg":"none",'), text)],
    ['a byte order mark', signedText(JSON.stringify(header()), `\ufeff${text}`)],
    ['bytes that are not UTF-8', signedText(JSON.stringify(header()), notUtf8(text))],
    ['a payload that is a list', signedText(JSON.stringify(header()), `[${text}]`)],
    ['a payload that is a string', signedText(JSON.stringify(header()), JSON.stringify(text))],
    ['a payload that is null', signedText(JSON.stringify(header()), 'null')],
    ['a payload with text after it', signedText(JSON.stringify(header()), `${text}x`)],
    ['a header that is a list', signedText('[]', text)],
    ['a nested JWT', signedText(JSON.stringify(header({ cty: 'JWT' })), good)],
    ['a JWE', jwe],
    // Signatures.
    ['ES256 with a zero signature', `${head}.${body}.${base64url(new Uint8Array(64))}`],
    ['ES256 with r = 1, s = 0', `${head}.${body}.${base64url(Uint8Array.from({ length: 64 }, (_, i) => +(i === 31)))}`],
    ['ES256 with a signature in DER', `${head}.${body}.${base64url(der)}`],
    ['ES256 with a shortened signature', `${head}.${body}.${signature.slice(0, 40)}`],
    ['EdDSA with a small-order signature', eddsaZero(eddsa, claims(), smallOrder)],
    ['EdDSA with a zero signature', eddsaZero(eddsa, claims(), Buffer.alloc(32))],
    ['an empty signature', `${head}.${body}.`],
    // Ways to write it.
    ['padding', `${head}.${body}.${signature}==`],
    ['padding in the head', `${head}=.${body}.${signature}`],
    ['a space', `${head}.${body}. ${signature}`],
    ['a tab', `${head}.${body}.\t${signature}`],
    ['the alphabet of plain base64', `${head}.${body}.${toPlainBase64(signature)}`],
    ['left-over bits', `${head}.${body}.${withLeftOverBits(signature)}`],
    ['four parts', `${good}.x`],
    ['two parts', `${head}.${body}`],
    ['five empty parts', '....'],
    ['JSON serialization', base64url(JSON.stringify({ protected: head, payload: body, signature }))],
    ['oversized', signed({ filler: 'x'.repeat(9000) })],
    // To the bottom and back, and not beyond the longest that is read. An object each time: a list is no payload anyway.
    [
      'sub twice, deep in a claim',
      signedText(JSON.stringify(header()), text.replace('{', `{"x":${deep(2800, twice)},`)),
    ],
    [
      'sub twice, deep in the header',
      signedText(JSON.stringify(header()).replace('{', `{"x":${deep(2800, twice)},`), text),
    ],
    ['deep in the header, of a stranger', signClaims(claims(), stranger.key, { x: JSON.parse(deep(2800, '1')) })],
    ['deep in a claim, of a stranger', signClaims(claims({ x: JSON.parse(deep(2800, '1')) }), stranger.key)],
    ['nothing', ''],
    ['a word', 'token'],
  ]
  return Promise.all(list.map(async ([name, token]) => ({ name, token: await token })))
}

function deep(levels: number, innermost: string): string {
  return '['.repeat(levels) + innermost + ']'.repeat(levels)
}

const twice = '{"sub":"ada","sub":"root"}'

function reheaded(token: string, more: Record<string, unknown>): string {
  const [head = '', body, signature] = token.split('.')
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as object
  return `${json({ ...header, ...more })}.${body}.${signature}`
}

function eddsaZero(key: SigningKey, claims: Record<string, unknown>, r: Buffer): string {
  const header = { alg: key.alg, kid: key.jwk.kid, typ: 'at+jwt' }
  return `${json(header)}.${json(claims)}.${base64url(Buffer.concat([r, Buffer.alloc(32)]))}`
}

/** In a claim that nobody reads. */
function notUtf8(text: string): Uint8Array {
  const [start = '', end = ''] = text.split('"scope":"')
  return Buffer.concat([Buffer.from(`${start}"scope":"`), Buffer.from([0xff, 0xfe]), Buffer.from(end)])
}

/** Another text for the same bytes. A 64-byte signature ends with a character of two bits. */
function withLeftOverBits(signature: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return signature.slice(0, -1) + alphabet[alphabet.indexOf(signature.at(-1) as string) + 1]
}

/** Until the signature has a character that tells, one is put in: it is refused for the one or the other. */
function toPlainBase64(signature: string): string {
  const plain = signature.replaceAll('-', '+').replaceAll('_', '/')
  return plain === signature ? `+${signature.slice(1)}` : plain
}
