// The page has nothing to ask: it was the person who signed out, in the application.
document.querySelector('[data-submit-now]')?.click()
