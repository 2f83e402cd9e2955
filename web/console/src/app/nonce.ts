// The nonce of this page, with which its content security policy lets styles in. Browsers hide the attribute and give
// the property.
const meta = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')

/** nonce is put on every style element that a library makes. */
export const nonce = meta?.nonce || meta?.getAttribute('nonce') || ''

// What react-remove-scroll, behind modals and drawers, reads.
;(globalThis as { __webpack_nonce__?: string }).__webpack_nonce__ = nonce
