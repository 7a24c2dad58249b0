export const MAX_TASK_ID_CHARS = 128

/** Shape of a task id: a Kafka key, a URL and a file name can hold it, and no character of it is syntax of a key. */
export const taskIdPattern = /^[A-Za-z0-9._:-]{1,128}$/
