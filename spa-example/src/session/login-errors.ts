/** What a failed sign-in is called, by the closed list of codes that Coatcheck comes back with. */

const texts: Readonly<Record<string, string>> = {
  access_denied: 'You did not allow this app to use your account. Nothing was shared.',
  login_expired: 'The sign-in took too long, or was opened twice. Start again.',
  login_refused: 'This account may not use this app.',
  temporarily_unavailable: 'The sign-in service cannot be reached at the moment. Try again in a while.',
  server_error: 'The sign-in service had a problem. Try again in a while.',
  login_required: 'The sign-in service asks you to sign in again.',
  interaction_required: 'The sign-in service has a question for you. Sign in to answer it.',
  account_selection_required: 'Choose which account to sign in with.',
  consent_required: 'The sign-in service needs your consent first.',
  invalid_scope: 'This app asked for something that your account cannot give. Tell whoever runs it.',
  unmet_authentication_requirements: 'A stronger way of signing in is needed, and your account has none.',
  session_too_large: 'Your account holds more than a session can. Tell whoever runs this app.',
}

export function loginErrorText(code: string): string {
  return (Object.hasOwn(texts, code) ? texts[code] : undefined) ?? 'Something went wrong on the way. Please try again.'
}
