export const MAX_TASK_ID_CHARS = 128

/**
 * Shape of a task id: a Kafka key, a URL and a file name can hold it, and no character of it is syntax of a key. Not `.` and
 * `..`: every client of HTTP takes them out of a path, however they are encoded.
 */
export const taskIdPattern = /^(?!\.{1,2}$)[A-Za-z0-9._:-]{1,128}$/
