/** The fine decision, at the object itself: what is somebody else's is not there (OWASP API1:2023). */
import type { Access } from './claims.ts'
import { GuardError } from './guard-error.ts'

/**
 * Whether this caller may see this object. Anything but true is no.
 *
 * @example
 * ```ts
 * const sameTenant: ObjectRule<Order, Staff> = (order, access) => order.tenant === access.claims.tenant
 * ```
 */
export type ObjectRule<T, Claims extends object = object> = (
  object: T,
  access: Access<Claims>,
) => boolean | Promise<boolean>

/**
 * The rule that an object is its owner's: the member that names the owner is the token's `sub`. A guard that trusts
 * several issuers needs the member that names the owner's issuer as well: without it nobody owns anything, because one
 * issuer's `ada` is not another's.
 *
 * @param options `claim`: another than `sub`; `issuer`: the member that holds the owner's `iss`
 *
 * @example
 * ```ts
 * interface Order {
 *   id: string
 *   placedBy: string
 *   placedAt: string
 * }
 * const isOwn = ownerOf<Order>('placedBy')
 * const isOwnAmongSeveralIssuers = ownerOf<Order>('placedBy', { issuer: 'placedAt' })
 * ```
 */
export function ownerOf<T extends object>(
  member: keyof T & string,
  options: { claim?: string; issuer?: keyof T & string } = {},
): ObjectRule<T> {
  const { claim = 'sub', issuer } = options
  return (object, access) => {
    const isOfIssuer = issuer === undefined ? access.isSoleIssuer : object[issuer] === access.issuer
    const owner: unknown = object[member]
    // Two that are missing are no match.
    return isOfIssuer && typeof owner === 'string' && owner !== '' && owner === access.claims[claim]
  }
}

/**
 * A loader that gives a caller only what they may see. What is not there and what is not theirs are the same 404: they
 * cannot be told apart, and ids cannot be tried.
 *
 * @param load finds the object by its id, undefined or null if there is none
 * @param rule who may see it
 * @returns a function that gives the object, or throws GuardError `not_found`
 *
 * @example
 * ```ts
 * const orderFor = guardedObject((id: string) => database.findOrder(id), ownerOf<Order>('placedBy'))
 *
 * app.get('/orders/:id', allow(requireScopes('orders:read')), async (c) =>
 *   c.json(await orderFor(c.var.access, c.req.param('id'))),
 * )
 * ```
 */
export function guardedObject<Id, T, Claims extends object = object>(
  load: (id: Id) => T | undefined | null | Promise<T | undefined | null>,
  rule: ObjectRule<NoInfer<T>, Claims>,
): (access: Access<Claims>, id: Id) => Promise<T> {
  return async (access, id) => {
    const object = await load(id)
    if (object === undefined || object === null) throw new GuardError('not_found', { reason: 'object_absent' })
    if ((await rule(object, access)) !== true) throw new GuardError('not_found', { reason: 'object_refused' })
    return object
  }
}
