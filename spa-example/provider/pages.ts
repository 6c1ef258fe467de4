/** The provider's pages. Pure functions of what they show; `respond-page.ts` adds the headers. */
import { type DemoAccount, demoAccounts } from './accounts.ts'
import { type Html, html } from './html.ts'
import { describeScope } from './scopes.ts'

export const providerName = 'Northgate ID'

export interface SignInView {
  readonly clientName: string
  readonly username: string
  /** The one-time code of an account, where one is asked for. */
  readonly codeOf: ((accountId: string) => string) | undefined
  readonly error: string | undefined
}

export function signInPage(view: SignInView): string {
  const { codeOf } = view
  const hasUsername = view.username !== ''
  return layout(
    'Sign in',
    html`<h1>Sign in</h1>
      <p class="lead">to continue to <strong>${view.clientName}</strong></p>
      ${view.error !== undefined && html`<p class="alert" role="alert" id="problem">${view.error}</p>`}
      <form method="post" novalidate>
        <div class="field">
          <label for="username">Username</label>
          <input id="username" name="username" type="text" value="${view.username}" autocomplete="username"
            autocapitalize="none" spellcheck="false" maxlength="100" required ${invalid(view.error)}
            ${!hasUsername && html`autofocus`}>
        </div>
        <div class="field">
          <label for="password">Password</label>
          <input id="password" name="password" type="password" autocomplete="current-password" maxlength="200"
            required ${invalid(view.error)} ${hasUsername && html`autofocus`}>
        </div>
        ${
          codeOf &&
          html`<div class="field">
          <label for="code">Code of your authenticator app</label>
          <input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="6"
            required ${invalid(view.error)}>
        </div>`
        }
        <div class="actions">
          <button class="primary" name="action" value="sign-in">Sign in</button>
          <button class="quiet" name="action" value="cancel" formnovalidate>Cancel</button>
        </div>
      </form>
      <section class="hint" aria-labelledby="hint-title">
        <h2 id="hint-title">Demo accounts</h2>
        <table>
          <thead><tr><th scope="col">Name</th><th scope="col">Username</th><th scope="col">Password</th>
            ${codeOf && html`<th scope="col">Code</th>`}</tr></thead>
          <tbody>${demoAccounts.map(
            (account) => html`<tr>
              <th scope="row">${account.claims.name}</th>
              <td><code>${account.username}</code></td>
              <td><code>${account.password}</code></td>
              ${codeOf && html`<td><code>${codeOf(account.id)}</code></td>`}
            </tr>`,
          )}</tbody>
        </table>
        ${codeOf && html`<p>A code is good once, and a new one is there each half minute.</p>`}
      </section>`,
  )
}

export interface ConsentView {
  readonly clientName: string
  readonly account: DemoAccount
  readonly scopes: readonly string[]
}

export function consentPage({ clientName, account, scopes }: ConsentView): string {
  const { name, email, given_name, family_name } = account.claims
  return layout(
    `Allow ${clientName}?`,
    html`<h1>Allow <strong>${clientName}</strong> to use your account?</h1>
      <p class="person">
        <span class="avatar" aria-hidden="true">${given_name.charAt(0)}${family_name.charAt(0)}</span>
        <span><span class="visually-hidden">Signed in as </span><strong>${name}</strong><br>${email}</span>
      </p>
      <h2 class="list-title">It will be able to</h2>
      <ul class="scopes">${scopes.map((scope) => {
        const { title, detail } = describeScope(scope)
        return html`<li>${tick}<span><strong>${title}</strong><span class="detail">${detail}</span></span></li>`
      })}</ul>
      <form method="post">
        <div class="actions">
          <button class="primary" name="action" value="allow">Allow</button>
          <button class="secondary" name="action" value="deny">Deny</button>
        </div>
      </form>
      <p class="fine">${providerName} asks once, and remembers what you allow.</p>`,
  )
}

/**
 * The page of RP-initiated logout. `form` is oidc-provider's, with its protection against forgery; our buttons
 * belong to it by the `form` attribute.
 */
export function signOutPage(form: Html, options: { clientName: string | undefined; isConfirmed: boolean }): string {
  if (options.isConfirmed) {
    return layout(
      'Signing out',
      html`<h1>Signing you out</h1>
        <p class="lead" role="status">One moment.</p>
        ${form}
        <div class="actions">
          <button class="primary" form="op.logoutForm" name="logout" value="yes" data-submit-now>Continue</button>
        </div>
        <script src="/assets/submit-now.js"></script>`,
    )
  }
  return layout(
    'Sign out',
    html`<h1>Sign out of ${providerName}?</h1>
      <p class="lead">${
        options.clientName === undefined
          ? 'Applications that you use with this account will ask you to sign in again.'
          : html`<strong>${options.clientName}</strong> asks to sign you out.`
      }</p>
      ${form}
      <div class="actions">
        <button class="primary" form="op.logoutForm" name="logout" value="yes">Sign out</button>
        <button class="secondary" form="op.logoutForm">Stay signed in</button>
      </div>`,
  )
}

export function messagePage(view: {
  title: string
  text: string
  /** A short technical line, such as an OAuth error code. */
  detail?: string | undefined
  link?: { href: string; text: string } | undefined
}): string {
  return layout(
    view.title,
    html`<h1>${view.title}</h1>
      <p class="lead">${view.text}</p>
      ${view.detail !== undefined && html`<p class="fine"><code>${view.detail}</code></p>`}
      ${view.link && html`<p class="actions"><a class="button primary" href="${view.link.href}">${view.link.text}</a></p>`}`,
  )
}

function layout(title: string, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>${title} · ${providerName}</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="robots" content="noindex">
  <link rel="icon" href="/assets/mark.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/provider.css">
</head>
<body>
  <header>${mark}<span>${providerName}</span></header>
  <main>${content}</main>
  <footer>The demo's OpenID Provider. It runs on this machine and forgets everything when it stops.</footer>
</body>
</html>
`.html
}

function invalid(error: string | undefined): Html | false {
  return error !== undefined && html`aria-invalid="true" aria-describedby="problem"`
}

const mark = html`<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
  <path class="mark-arch" d="M4 29V15a12 12 0 0 1 24 0v14h-6V15a6 6 0 0 0-12 0v14z"/>
  <circle class="mark-dot" cx="16" cy="24" r="3.5"/>
</svg>`

const tick = html`<svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
  <path d="M4.5 10.5l3.5 3.5 7.5-8" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>
</svg>`
