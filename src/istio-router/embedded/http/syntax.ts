/** True for the name of a field, or a method (RFC 9110 §5.6.2). */
export const isToken = (text: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)

/** True for a field's line, without its end (RFC 9112 §5), characters being bytes. */
export const isFieldLine = (text: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*$/.test(text)

/** True for a number of bytes that a body can have (RFC 9110 §8.6), below a petabyte. */
export const isLength = (text: string): boolean => /^\d{1,15}$/.test(text)

/** True for what can stand as a field's value (RFC 9110 §5.5), characters being bytes. */
export const isFieldValue = (text: string): boolean => !/[^\t -~\x80-\xff]/.test(text)
